# Unit tests of router/, and of the lexer it reads texts with.
weir_unit_test(router
    protocol_sql_lexer_test.cc
    router_cache_test.cc
    router_catalog_reach_test.cc
    router_catalog_test.cc
    router_corpus_test.cc
    router_effects_test.cc
    router_fingerprint_test.cc
    router_function_body_test.cc
    router_hostile_test.cc
    router_read_route_test.cc
    router_replica_refusal_test.cc
    router_statement_test.cc
    support/allocations.cc
)
target_compile_definitions(test_router PRIVATE
    WEIR_SQL_CORPUS="${CMAKE_SOURCE_DIR}/tests/corpus/postgresql-15")

# Over a real PostgreSQL's catalog.
if(WEIR_INTEGRATION_TESTS AND NOT WEIR_FUZZ)
    add_executable(test_routing router_routing_cluster_test.cc)
    target_link_libraries(test_routing
        PRIVATE weir_router weir_test_support weir_test_main weir_warnings)
    target_compile_definitions(test_routing PRIVATE
        WEIR_ROUTING_CORPUS="${CMAKE_SOURCE_DIR}/tests/corpus/routing")
    add_test(NAME integration.routing COMMAND test_routing)
    set_tests_properties(integration.routing PROPERTIES LABELS integration TIMEOUT 300)
endif()
