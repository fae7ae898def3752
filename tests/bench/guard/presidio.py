"""Reads lines from standard input, and writes what presidio's recognizers of patterns find in each: a JSON list a line.

No language model: recognizers are asked directly, so names and places are not looked for, and no context raises a score.
"""
import json
import logging
import sys

logging.disable(logging.CRITICAL)
import presidio_analyzer.predefined_recognizers as known

names = [
    "CreditCardRecognizer", "IbanRecognizer", "EmailRecognizer", "PhoneRecognizer", "UsSsnRecognizer", "NhsRecognizer",
    "EsNifRecognizer", "EsNieRecognizer", "ItFiscalCodeRecognizer", "PlPeselRecognizer",
    "FiPersonalIdentityCodeRecognizer", "InAadhaarRecognizer",
]
recognizers = [getattr(known, name)() for name in names if hasattr(known, name)]
for line in sys.stdin:
    text = line.rstrip("\n")
    found = []
    for recognizer in recognizers:
        for one in recognizer.analyze(text, recognizer.supported_entities, None) or []:
            found.append([one.entity_type, text[one.start:one.end]])
    print(json.dumps(found))
