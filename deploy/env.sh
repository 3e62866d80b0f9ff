#!/bin/sh
# `make env`: adds the variables that docker-compose.yaml needs to .env. Existing values stay unchanged.
set -eu
cd "$(dirname "$0")/.."
umask 077

added=
add() { # name value
    if ! grep -q "^$1=." .env 2>/dev/null; then
        # Drop a line `NAME=` without a value: the new line replaces it.
        if [ -e .env ]; then grep -v "^$1=" .env > .env.new || true; fi
        printf '%s=%s\n' "$1" "$2" >> .env.new
        mv .env.new .env
        added="$added $1"
    fi
}
secret() { head -c "$1" /dev/urandom | od -An -v -tx1 | tr -d ' \n'; } # hex needs no escaping in a URL

for name in POSTGRES_PASSWORD AIRFLOW_DB_PASSWORD ASHARE_DB_PASSWORD REDIS_PASSWORD API_SECRET_KEY JWT_SECRET; do
    add "$name" "$(secret 32)"
done
add FERNET_KEY "$(head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n')"
add ADMIN_PASSWORD "$(secret 9)"
case "${CELERY:-}" in
'' | 0 | no | false) ;;
*)
    add AIRFLOW_EXECUTOR CeleryExecutor
    add COMPOSE_PROFILES celery
    for line in AIRFLOW_EXECUTOR=CeleryExecutor COMPOSE_PROFILES=celery; do
        grep -q "^$line" .env || echo "For workers, .env needs the line $line: change the one that is there." >&2
    done
    ;;
esac

chmod 600 .env
if [ -z "$added" ]; then echo ".env has all that is needed, and was left as it is."; else echo "Added to .env:$added."; fi
echo "The UI's user is admin; the password is in .env: grep ADMIN_PASSWORD .env"
