-- Collations of the server itself.
CREATE COLLATION built_in (PROVIDER = builtin, LOCALE = 'C.UTF-8');
CREATE TABLE sorted (a text COLLATE built_in);
