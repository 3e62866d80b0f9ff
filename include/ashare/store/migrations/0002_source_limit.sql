-- What the ledger says about asking Baostock now: the day's requests, and a ban's end.

CREATE INDEX source_request_ban ON ashare.source_request (requested_at) WHERE outcome = '10001011';

CREATE FUNCTION ashare.source_limit_at(moment timestamptz)
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
    SELECT (SELECT count(*)::integer FROM ashare.source_request
            WHERE requested_at >= clock.day_begins AND requested_at < clock.day_begins + interval '24 hours'),
           clock.day_begins + interval '24 hours', counted.banned_at, coalesce(counted.bans, 0), counted.banned_until,
           coalesce(counted.banned_until > moment, false)
    FROM clock LEFT JOIN counted ON true
$$;
COMMENT ON FUNCTION ashare.source_limit_at IS 'The view source_limit as of a moment.';

CREATE VIEW ashare.source_limit AS SELECT * FROM ashare.source_limit_at(clock_timestamp());
COMMENT ON VIEW ashare.source_limit IS 'Whether Baostock may be asked now, from the ledger source_request; one row.';
COMMENT ON COLUMN ashare.source_limit.used_today IS 'Messages sent since midnight, Asia/Shanghai.';
COMMENT ON COLUMN ashare.source_limit.day_ends IS 'The next midnight, Asia/Shanghai: a new day''s requests.';
COMMENT ON COLUMN ashare.source_limit.banned_at IS 'When Baostock last answered 10001011 (blacklisted); NULL: never.';
COMMENT ON COLUMN ashare.source_limit.bans IS 'Bans of that year up to and with that one.';
COMMENT ON COLUMN ashare.source_limit.banned_until IS 'That ban''s end: six hours times the bans of the year.';
COMMENT ON COLUMN ashare.source_limit.is_banned IS 'Whether that is still to come.';
