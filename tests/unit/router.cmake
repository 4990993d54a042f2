# Unit tests of router/.
