-- What the tests' server holds. No test changes these tables; those that write make their own.
CREATE ROLE app LOGIN PASSWORD 'correct-horse-battery';
CREATE TABLE users (id integer PRIMARY KEY, name text NOT NULL, mail text);
INSERT INTO users VALUES (1, 'Ada', 'ada@example.com'), (2, 'Grace', NULL), (3, 'Edsger', 'ewd@example.com');
CREATE TABLE payroll (person text, salary numeric);
INSERT INTO payroll VALUES ('Ada', 100);
CREATE SEQUENCE numbers;
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE DOMAIN age AS integer CHECK (value >= 0);
GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app;
GRANT CREATE ON SCHEMA public TO app;
