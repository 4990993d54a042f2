# Unit tests of router/.
weir_unit_test(router
    router_statement_test.cc
)
