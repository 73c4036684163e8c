-- Two roles for Rowline, to be made once, as a superuser or the owner of the database:
--
--     psql -v ON_ERROR_STOP=1 -f deploy/postgres/roles.sql postgresql://admin@db.example/rowline
--     (then, in psql:  \password rowline_owner   \password rowline_app)
--
-- rowline_owner migrates: DATABASE_URL=postgresql://rowline_owner:…@db.example/rowline rowline db upgrade --grant-to rowline_app
-- rowline_app works: it reads and writes all tables; it cannot make, alter, empty or drop one.
-- Doing it twice is doing it once.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rowline_owner') THEN
        CREATE ROLE rowline_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rowline_app') THEN
        CREATE ROLE rowline_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
    END IF;
    -- nobody else gets in or makes things; TEMPORARY is for the tables that a plan is worked out in
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO rowline_owner, rowline_app', current_database());
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    GRANT USAGE, CREATE ON SCHEMA public TO rowline_owner;
    GRANT USAGE ON SCHEMA public TO rowline_app;
    -- only where the server has it: beside VECTOR_STORE=pinecone nothing needs it
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector') THEN
        CREATE EXTENSION IF NOT EXISTS vector;
    END IF;
END $$;
