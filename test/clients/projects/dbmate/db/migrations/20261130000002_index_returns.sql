-- migrate:up transaction:false
create index concurrently returns_reason on returns (reason);

-- migrate:down
drop index returns_reason;
