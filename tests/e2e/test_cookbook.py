# ctest: timeout=600 label=long
"""docs/cookbook.md as test_docs.py has the other pages: its labs are larger, and wait for sessions and time-outs."""

import unittest

import support
import test_docs


class Cookbook(support.SandboxCase):
    def test_page(self):
        for page in test_docs.APART:
            test_docs.Page(self, page).run()


if __name__ == "__main__":
    unittest.main()
