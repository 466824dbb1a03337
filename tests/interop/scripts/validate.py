"""Validates JSON from standard input against a JSON schema; prints the errors as JSON.

Arguments: file of the schema.
"""

import json
import sys

import jsonschema

with open(sys.argv[1]) as file:
    schema = json.load(file)
validator = jsonschema.Draft7Validator(schema)
errors = [
    {"path": list(error.absolute_path), "message": error.message}
    for error in validator.iter_errors(json.load(sys.stdin))
]
sys.stdout.write(json.dumps(errors))
