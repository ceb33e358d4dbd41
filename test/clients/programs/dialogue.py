"""A client in Python: asks who it is, cancels a statement, asks again on the same session, and shows an error."""

import asyncio
import importlib
import sys
import threading

WHO = "select current_user || ' on ' || current_database()"
SLEEP = "select pg_sleep(60)"
WRONG = "select * from nowhere"


def with_libpq(driver):
    connection = importlib.import_module(driver).connect("")
    connection.autocommit = True
    cursor = connection.cursor()

    def said(statement):
        try:
            cursor.execute(statement)
            return cursor.fetchone()[0]
        except Exception as error:
            code = getattr(error, "pgcode", None) or error.sqlstate
            return code if code == "57014" else f"{code} {error}".splitlines()[0]

    print(said(WHO))
    threading.Timer(1, connection.cancel).start()
    print(said(SLEEP))
    print(said(WHO))
    print(said(WRONG))


async def with_asyncpg():
    connection = await importlib.import_module("asyncpg").connect()
    print(await connection.fetchval(WHO))
    pid = connection.get_server_pid()
    try:
        # It asks the server to cancel, and takes the answer for its own.
        await connection.fetchval(SLEEP, timeout=1)
    except asyncio.TimeoutError:
        print("57014")
    print(await connection.fetchval(WHO) if connection.get_server_pid() == pid else "another session")
    try:
        await connection.fetchval(WRONG)
    except Exception as error:
        print(error.sqlstate, error)
    await connection.close()


if sys.argv[1] == "asyncpg":
    asyncio.run(with_asyncpg())
else:
    with_libpq(sys.argv[1])
