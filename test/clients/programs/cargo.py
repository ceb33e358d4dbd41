"""Carries what a query gives out to a file and into a table, with a driver of Python."""

import sys

import psycopg2

query, file = sys.argv[1:]
connection = psycopg2.connect("")
cursor = connection.cursor()
with open(file, "w") as out:
    cursor.copy_expert(f"copy ({query}) to stdout", out)
cursor.execute("create table cargo (n int, words text)")
with open(file) as rows:
    cursor.copy_expert("copy cargo from stdin", rows)
connection.commit()
