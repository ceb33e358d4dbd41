# psql: asks who it is, cancels a statement as Ctrl-C does, asks again, and shows an error.
ask() { psql --no-psqlrc -Atq "$@" 2>&1 | sed 's/^ERROR: *//;/^LINE /,$d;/^Cancel request sent/d'; }
who="select current_user || ' on ' || current_database()"
ask -c "$who"
ask -v VERBOSITY=sqlstate -c '\! (sleep 1; kill -INT $PPID) &' -c 'select pg_sleep(60)'
ask -c "$who"
ask -v VERBOSITY=verbose -c 'select * from nowhere' | sed 's/^42P01:/42P01/'
