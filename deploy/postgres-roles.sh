#!/bin/sh
# Run once by the image of PostgreSQL, on its empty volume: the owner of the database, and the product's role, which owns
# nothing and gets its rights when migrations run. The owner is a member of it, so as to see and end what it has under way.
set -eu
psql --no-psqlrc -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres << 'SQL'
\getenv owner_password OWNER_PASSWORD
\getenv product_password PRODUCT_PASSWORD
CREATE ROLE control_plane LOGIN PASSWORD :'owner_password';
CREATE ROLE control_plane_app LOGIN PASSWORD :'product_password' ROLE control_plane;
CREATE DATABASE control_plane OWNER control_plane;
REVOKE CONNECT ON DATABASE control_plane FROM PUBLIC;
GRANT CONNECT ON DATABASE control_plane TO control_plane_app;
SQL
