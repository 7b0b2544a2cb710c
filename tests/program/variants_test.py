"""halnorm variants, as a table and as JSON."""

import json
import re
import unittest

from program import ProgramTest, run


def variants(**environment):
    result = run("variants", "--json", environment=environment)
    assert (result.returncode, result.stderr) == (0, b""), result
    return json.loads(result.stdout)


class Variants(ProgramTest):
    def test_json(self):
        listed = variants()
        keys = ["name", "arch", "features", "supported", "chosen", "experimental", "reason"]
        for variant in listed:
            self.assertEqual(list(variant), keys)
            for key in ["name", "arch", "reason"]:
                self.assertTrue(isinstance(variant[key], str) and variant[key], variant)
            for key in ["supported", "chosen", "experimental"]:
                self.assertIsInstance(variant[key], bool)
            self.assertIsInstance(variant["features"], list)
            for feature in variant["features"]:
                self.assertRegex(feature, r"\A[a-z0-9_.]+\Z")
        names = [variant["name"] for variant in listed]
        self.assertEqual(len(names), len(set(names)))
        self.assertIn("generic", names)

    def test_one_is_chosen(self):
        listed = variants()
        chosen = [variant for variant in listed if variant["chosen"]]
        self.assertEqual(len(chosen), 1)
        self.assertTrue(chosen[0]["supported"])
        self.assertFalse(chosen[0]["experimental"])

    def test_generic_needs_nothing(self):
        generic = next(variant for variant in variants() if variant["name"] == "generic")
        self.assertTrue(generic["supported"])
        self.assertFalse(generic["experimental"])

    def test_reasons(self):
        for forced in variants():
            if not forced["supported"]:
                continue
            for variant in variants(HALNORM_VARIANT=forced["name"]):
                if variant["name"] == "opencl" and variant["supported"] and not variant["chosen"]:
                    self.assertIn("only when it is named", variant["reason"])
                elif variant["supported"] and not variant["chosen"] and variant["name"] != "cuda":
                    self.assertIn("another one is forced", variant["reason"])

    def test_table(self):
        result = run("variants")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        head, *rows = result.stdout.decode().split("\n\n")[0].splitlines()
        starts = [match.start() for match in re.finditer(r"\S+", head)]
        self.assertEqual(len(rows), len(variants()))
        for row, variant in zip(rows, variants()):
            cells = [row[a:b].strip() for a, b in zip([0, *starts], [*starts, None])]
            yes_or_no = ["yes" if variant[key] else "no" for key in ["supported", "experimental"]]
            features = " ".join(variant["features"]) or "-"
            wanted = ["*" if variant["chosen"] else "", variant["name"], variant["arch"], *yes_or_no]
            self.assertEqual(cells, [*wanted, features, variant["reason"]])
            self.assertEqual(row, row.rstrip())

    def test_environment_chooses(self):
        for variant in variants():
            if variant["supported"]:
                listed = variants(HALNORM_VARIANT=variant["name"])
                self.assertEqual([v["name"] for v in listed if v["chosen"]], [variant["name"]])
                for key in ["name", "arch", "features", "supported", "experimental"]:
                    self.assertEqual([v[key] for v in listed], [v[key] for v in variants()])
        self.assertEqual(variants(HALNORM_VARIANT=""), variants())

    def test_environment_without_a_variant(self):
        unsupported = [variant["name"] for variant in variants() if not variant["supported"]]
        for name in ["x87", "generic ", "line\nbreak", *unsupported]:
            for arguments in [["variants"], ["variants", "--json"]]:
                says = ["HALNORM_VARIANT", "generic", name.replace("\n", "\\n")]
                environment = {"HALNORM_VARIANT": name}
                self.refused(None, arguments=arguments, says=says, environment=environment)

    def test_full_disk(self):
        line = rb"\Ahalnorm[^\n]*: standard output: was not writable[^\n]+should[^\n]+\n\Z"
        with open("/dev/full", "wb") as full:
            for arguments in [["variants"], ["variants", "--json"], ["--help"], ["--version"]]:
                result = run(*arguments, stdout=full)
                self.assertEqual(result.returncode, 1)
                self.assertRegex(result.stderr, line)


if __name__ == "__main__":
    unittest.main()
