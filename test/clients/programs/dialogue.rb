# A client in Ruby: asks who it is, cancels a statement, asks again on the same session, and shows an error.
require 'pg'

connection = PG.connect
ask = lambda do |statement|
  connection.exec(statement).getvalue(0, 0)
rescue PG::Error => error
  code = error.result.error_field(PG::PG_DIAG_SQLSTATE)
  code == '57014' ? code : "#{code} #{error.result.error_field(PG::PG_DIAG_MESSAGE_PRIMARY)}"
end
who = "select current_user || ' on ' || current_database()"
puts ask.call(who)
connection.send_query('select pg_sleep(60)')
sleep 1
connection.cancel
begin
  connection.get_last_result
rescue PG::QueryCanceled
  puts '57014'
end
puts ask.call(who)
puts ask.call('select * from nowhere')
