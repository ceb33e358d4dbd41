create schema billing;
create table billing.invoices (id bigint generated always as identity primary key, total numeric not null);
create view billing.unpaid as select id from billing.invoices where total > 0;
create function billing.doubled(n int) returns int language sql immutable as 'select 2 * n';
