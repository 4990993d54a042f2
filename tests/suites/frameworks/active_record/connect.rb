# Prepared statements and the migrations' advisory lock on, which Rails' documentation says to turn off
# behind a transaction pooler.
require 'active_record'

ActiveRecord::Base.establish_connection(
  adapter: 'postgresql', host: ENV['PGHOST'], port: ENV['PGPORT'], username: ENV['PGUSER'],
  database: ENV['PGDATABASE'], pool: 5, prepared_statements: true, advisory_locks: true,
  variables: { statement_timeout: '20s' }
)
