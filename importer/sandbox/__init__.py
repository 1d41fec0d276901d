"""The sandbox API: a faithful, stateful Moment for rehearsals and tests.

It is a second, independent reading of the API page: nothing of importer's own validation or
delivery is imported here, only the exceptions. Needs the extra ``sandbox`` to run.
"""
