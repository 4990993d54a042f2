# Unit tests of pool/.
