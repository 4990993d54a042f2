<?php
// What an application does with PHP's PDO: it prepares by name, and deallocates in SQL (DEALLOCATE pdo_stmt_...).

$copy = getenv('WEIR_COPY');
$table = "php_item_$copy";

function connect(array $options = []): PDO
{
    $address = sprintf('pgsql:host=%s;port=%s;dbname=%s', getenv('PGHOST'), getenv('PGPORT'), getenv('PGDATABASE'));
    return new PDO($address, getenv('PGUSER'), '', $options + [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
}

function same($expected, $actual): void
{
    if ($expected !== $actual) {
        throw new Exception('expected ' . json_encode($expected) . ', got ' . json_encode($actual));
    }
}

function one(PDO $db, string $sql)
{
    return $db->query($sql)->fetchColumn();
}

$db = connect();
$steps = [
    'tables' => function () use ($db, $table) {
        $db->exec("drop table if exists $table");
        $db->exec("create table $table (id int primary key, name text, data bytea)");
    },
    'prepared_statements' => function () use ($db, $table) {
        $insert = $db->prepare("insert into $table (id, name) values (?, ?)");
        for ($n = 0; $n < 200; $n++) {
            $insert->execute([$n, "item $n"]);
        }
        $find = $db->prepare("select name from $table where id = :id");
        for ($n = 0; $n < 200; $n++) {
            $find->execute(['id' => $n]);
            same("item $n", $find->fetchColumn());
        }
    },
    // Each statement is deallocated when PHP forgets it.
    'short_lived_statements' => function () use ($db, $table) {
        for ($n = 0; $n < 100; $n++) {
            $find = $db->prepare("select name from $table where id = ?");
            $find->execute([$n]);
            same("item $n", $find->fetchColumn());
            unset($find);
        }
        same(0, one($db, "select count(*) from pg_prepared_statements where statement like 'select name%'"));
    },
    'transactions' => function () use ($db, $table) {
        $db->beginTransaction();
        $insert = $db->prepare("insert into $table (id, name) values (?, ?)");
        $insert->execute([1000, 'gone']);
        $db->rollBack();
        $db->beginTransaction();
        $insert->execute([1001, 'kept']);
        $db->commit();
        same(1, one($db, "select count(*) from $table where id >= 1000"));
    },
    'error_in_a_transaction' => function () use ($db, $table) {
        $db->beginTransaction();
        $db->exec('savepoint s');
        try {
            $db->prepare("insert into $table (id) values (?)")->execute([1001]);
            throw new Exception('no error');
        } catch (PDOException $error) {
            same('23505', $error->getCode());
        }
        // The statement that failed is deallocated by now, in the failed transaction: PDO ignores its error.
        $db->exec('rollback to savepoint s');
        same('kept', one($db, "select name from $table where id = 1001"));
        $db->commit();
    },
    'scrolling_cursor' => function () use ($db, $table) {
        $db->beginTransaction();
        $cursor = $db->prepare("select id from $table order by id", [PDO::ATTR_CURSOR => PDO::CURSOR_SCROLL]);
        $cursor->execute();
        same(1001, $cursor->fetchColumn(0) === 0 ? $cursor->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_LAST)[0] : null);
        $cursor->closeCursor();
        $db->commit();
    },
    'emulated_prepares' => function () use ($table) {
        $own = connect([PDO::ATTR_EMULATE_PREPARES => true]);
        $find = $own->prepare("select name from $table where id = ?");
        $find->execute([7]);
        same('item 7', $find->fetchColumn());
    },
    'copy' => function () use ($db, $table) {
        $lines = array_map(fn ($n) => (string) (2000 + $n) . "\tx", range(0, 99));
        $db->pgsqlCopyFromArray("$table (id, name)", $lines);
        same(100, one($db, "select count(*) from $table where id >= 2000"));
    },
    'notify' => function () use ($db, $copy) {
        $own = connect();
        $own->exec("listen php_$copy");
        $db->exec("notify php_$copy, 'hello'");
        same('hello', $own->pgsqlGetNotify(PDO::FETCH_ASSOC, 10000)['payload']);
    },
    'large_object' => function () use ($db) {
        $db->beginTransaction();
        $oid = $db->pgsqlLOBCreate();
        fwrite($db->pgsqlLOBOpen($oid, 'w'), str_repeat('x', 100000));
        same(100000, strlen(stream_get_contents($db->pgsqlLOBOpen($oid, 'r'))));
        $db->pgsqlLOBUnlink($oid);
        $db->commit();
    },
    'settings' => function () use ($db) {
        $db->exec("set timezone = 'Asia/Tokyo'");
        for ($n = 0; $n < 10; $n++) {
            same('Asia/Tokyo', one($db, 'show timezone'));
        }
    },
    'last_insert_id' => function () use ($db, $table) {
        $db->exec("create sequence if not exists {$table}_seq");
        for ($n = 0; $n < 5; $n++) {
            $next = one($db, "select nextval('{$table}_seq')");
            same((string) $next, $db->lastInsertId("{$table}_seq"));
        }
    },
];

$failed = false;
foreach ($steps as $name => $step) {
    try {
        $step();
        echo "ok $name\n";
    } catch (Throwable $error) {
        $failed = true;
        fwrite(STDERR, "$error\n");
        echo "FAILED $name: ", str_replace("\n", ' ', $error->getMessage()), "\n";
        if ($db->inTransaction()) {
            $db->rollBack();
        }
    }
}
exit($failed ? 1 : 0);
