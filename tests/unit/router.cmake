# Unit tests of router/.
weir_unit_test(router
    router_effects_test.cc
    router_hostile_test.cc
    router_statement_test.cc
)
