# Unit tests of router/, and of the lexer it reads texts with.
weir_unit_test(router
    protocol_sql_lexer_test.cc
    router_cache_test.cc
    router_catalog_test.cc
    router_corpus_test.cc
    router_effects_test.cc
    router_function_body_test.cc
    router_hostile_test.cc
    router_statement_test.cc
)
target_compile_definitions(test_router PRIVATE
    WEIR_SQL_CORPUS="${CMAKE_SOURCE_DIR}/tests/corpus/postgresql-15")
