-- Runs once, when PostgreSQL starts with an empty volume. Creates a database for
-- each service, with a role that has no access to the others.
\getenv policy POLICY_DATABASE_PASSWORD
\getenv chat CHAT_DATABASE_PASSWORD
\getenv payments PAYMENTS_DATABASE_PASSWORD

CREATE ROLE policy LOGIN PASSWORD :'policy';
CREATE DATABASE policy OWNER policy;
REVOKE ALL ON DATABASE policy FROM PUBLIC;

CREATE ROLE chat LOGIN PASSWORD :'chat';
CREATE DATABASE chat OWNER chat;
REVOKE ALL ON DATABASE chat FROM PUBLIC;

CREATE ROLE payments LOGIN PASSWORD :'payments';
CREATE DATABASE payments OWNER payments;
REVOKE ALL ON DATABASE payments FROM PUBLIC;
