-- migrate:up
create table returns (id bigint generated always as identity primary key, reason text);

-- migrate:down
drop table returns;
