import unittest

from tides.bar import can_pass, height


class Bar(unittest.TestCase):
    def test_high_water_is_the_whole_range(self):
        self.assertAlmostEqual(height(0, 3.2), 3.2)

    def test_low_water_is_nothing(self):
        self.assertAlmostEqual(height(6.21, 3.2), 0)

    def test_a_coaster_passes_at_high_water(self):
        self.assertTrue(can_pass(4.0, 2.1, 0, 3.2))

    def test_the_margin_is_kept_below_the_keel(self):
        self.assertFalse(can_pass(5.0, 2.1, 0, 3.2))


if __name__ == "__main__":
    unittest.main()
