// A client in Go: asks who it is, cancels a statement, asks again on the same session, and shows an error.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"
)

const who = "select current_user || ' on ' || current_database()"

func main() {
	// Nothing but the environment says where.
	database, err := sql.Open("postgres", "")
	if err != nil {
		panic(err)
	}
	database.SetMaxOpenConns(1)
	say(database, context.Background(), who)
	soon, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	say(database, soon, "select pg_sleep(60)")
	say(database, context.Background(), who)
	say(database, context.Background(), "select * from nowhere")
}

func say(database *sql.DB, ctx context.Context, statement string) {
	var answer string
	err := database.QueryRowContext(ctx, statement).Scan(&answer)
	var refused *pq.Error
	switch {
	case errors.As(err, &refused) && refused.Code == "57014":
		fmt.Println(refused.Code)
	case errors.As(err, &refused):
		fmt.Println(refused.Code, refused.Message)
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(answer)
	}
}
