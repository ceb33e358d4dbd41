"""Asks with a driver of Python: its name, the query, and a connection string or nothing, which means the environment."""

import importlib
import sys

driver, query, where = sys.argv[1:]
connection = importlib.import_module(driver).connect(where)
cursor = connection.cursor()
cursor.execute(query)
print(cursor.fetchone()[0])
