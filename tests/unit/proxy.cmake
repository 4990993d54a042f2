# Unit tests of proxy/.
