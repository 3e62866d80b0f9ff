-- The number of requests of each day, kept true by triggers: whether one more may be sent is known without a count of
-- the day's requests, whoever adds or deletes rows of the ledger.

CREATE TABLE ashare.request_count (
    day      date NOT NULL,
    part     bigint GENERATED ALWAYS AS IDENTITY,
    requests integer NOT NULL,
    PRIMARY KEY (day, part)
) WITH (fillfactor = 50);
COMMENT ON TABLE ashare.request_count IS 'Number of rows of source_request by day, written by its triggers: the sum of the parts of a day. A day has more than one part if two sessions changed its rows at once.';
COMMENT ON COLUMN ashare.request_count.day IS 'Day in Asia/Shanghai.';
COMMENT ON COLUMN ashare.request_count.part IS 'Running number.';
COMMENT ON COLUMN ashare.request_count.requests IS 'Requests recorded, less requests deleted; a part alone may be below 0.';

CREATE FUNCTION ashare.day_of_request(moment timestamptz)
RETURNS date
LANGUAGE sql STABLE
AS $$
    SELECT (moment AT TIME ZONE 'Asia/Shanghai')::date
$$;
COMMENT ON FUNCTION ashare.day_of_request IS 'The day on whose budget a request counts.';

CREATE FUNCTION ashare.add_to_request_count(counted date, change integer)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    -- Nobody waits for a part that an open transaction has changed: the next part is taken, or a new one.
    UPDATE ashare.request_count SET requests = requests + change
    WHERE (day, part) = (SELECT c.day, c.part FROM ashare.request_count c
                         WHERE c.day = counted LIMIT 1 FOR UPDATE SKIP LOCKED);
    IF NOT FOUND THEN
        INSERT INTO ashare.request_count (day, requests) VALUES (counted, change);
    END IF;
END
$$;
COMMENT ON FUNCTION ashare.add_to_request_count IS 'Adds to the number of requests of a day.';

CREATE FUNCTION ashare.count_requests()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM ashare.add_to_request_count(c.day, c.requests)
        FROM (SELECT ashare.day_of_request(requested_at) AS day, count(*)::integer AS requests
              FROM new_rows GROUP BY 1) AS c;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM ashare.add_to_request_count(c.day, -c.requests)
        FROM (SELECT ashare.day_of_request(requested_at) AS day, count(*)::integer AS requests
              FROM old_rows GROUP BY 1) AS c;
    ELSIF TG_OP = 'UPDATE' THEN
        PERFORM ashare.add_to_request_count(c.day, c.requests)
        FROM (SELECT ashare.day_of_request(requested_at) AS day, sum(change)::integer AS requests
              FROM (SELECT requested_at, 1 FROM new_rows UNION ALL SELECT requested_at, -1 FROM old_rows)
                   AS moved (requested_at, change)
              GROUP BY 1 HAVING sum(change) <> 0) AS c;
    ELSE
        DELETE FROM ashare.request_count;
    END IF;
    RETURN NULL;
END
$$;

-- CREATE TRIGGER keeps writers out from here to the end of this file, and lets readers read.
CREATE TRIGGER count_inserted AFTER INSERT ON ashare.source_request
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ashare.count_requests();
CREATE TRIGGER count_deleted AFTER DELETE ON ashare.source_request
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION ashare.count_requests();
CREATE TRIGGER count_updated AFTER UPDATE ON ashare.source_request
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ashare.count_requests();
CREATE TRIGGER forget_counts AFTER TRUNCATE ON ashare.source_request
    FOR EACH STATEMENT EXECUTE FUNCTION ashare.count_requests();

INSERT INTO ashare.request_count (day, requests)
SELECT ashare.day_of_request(requested_at), count(*) FROM ashare.source_request GROUP BY 1 ORDER BY 1;
ANALYZE ashare.request_count;

CREATE OR REPLACE FUNCTION ashare.source_limit_at(moment timestamptz)
RETURNS TABLE (used_today integer, day_ends timestamptz, banned_at timestamptz, bans integer, banned_until timestamptz,
               is_banned boolean)
LANGUAGE sql STABLE
AS $$
    WITH clock AS (
        SELECT date_trunc('day', moment, 'Asia/Shanghai') AS day_begins
    ), refusal AS (
        SELECT requested_at + coalesce(seconds, 0) * interval '1 second' AS refused_at
        FROM ashare.source_request WHERE outcome = '10001011'
          -- A clock that was set back makes no ban undone.
          AND requested_at <= moment + interval '1 hour'
    ), ban AS (
        -- A ban lasts for six hours at least: what was refused within them was refused by the same ban.
        SELECT r.refused_at FROM refusal r
        WHERE NOT EXISTS (SELECT FROM refusal e
                          WHERE e.refused_at < r.refused_at AND e.refused_at > r.refused_at - interval '6 hours')
    ), newest AS (
        SELECT max(refused_at) AS banned_at FROM refusal
    ), counted AS (
        -- A ban of last year that was met again in this one is the first of this one.
        SELECT n.banned_at, greatest(count(ban.refused_at), 1)::integer AS bans,
               n.banned_at + greatest(count(ban.refused_at), 1) * interval '6 hours' AS banned_until
        FROM newest n LEFT JOIN ban ON ban.refused_at >= date_trunc('year', n.banned_at, 'Asia/Shanghai')
        WHERE n.banned_at IS NOT NULL
        GROUP BY n.banned_at
    )
    SELECT (SELECT coalesce(sum(c.requests), 0)::integer FROM ashare.request_count c
            WHERE c.day = ashare.day_of_request(moment)),
           clock.day_begins + interval '24 hours', counted.banned_at, coalesce(counted.bans, 0), counted.banned_until,
           coalesce(counted.banned_until > moment, false)
    FROM clock LEFT JOIN counted ON true
$$;

-- A function in a view reads with the reader's rights: who was allowed to read or write the ledger may do so with its
-- counts.
DO $$
DECLARE command text;
BEGIN
    FOR command IN
        SELECT format('GRANT SELECT%s ON ashare.request_count TO %s',
                      CASE WHEN g.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
                           THEN ', INSERT, UPDATE, DELETE' ELSE '' END,
                      CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END)
        FROM pg_class c CROSS JOIN aclexplode(c.relacl) g
        WHERE c.oid IN ('ashare.source_request'::regclass, 'ashare.source_limit'::regclass)
          AND g.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
    LOOP
        EXECUTE command;
    END LOOP;
END $$;
