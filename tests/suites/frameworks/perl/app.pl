# What an application does with Perl's DBD::Pg: it prepares by name, and deallocates in SQL.
use strict;
use warnings;
use DBI;
use DBD::Pg qw(:async);

my $copy = $ENV{WEIR_COPY};
my $table = "perl_item_$copy";

sub open_database {
    return DBI->connect('dbi:Pg:', undef, undef,
        { RaiseError => 1, PrintError => 0, AutoCommit => 1, pg_server_prepare => 1, @_ });
}

sub same {
    my ($expected, $actual) = @_;
    die "expected $expected, got " . ($actual // 'undef') . "\n" unless defined $actual && $expected eq $actual;
}

my $db = open_database();
sub one { return ($db->selectrow_array(@_))[0] }

my @steps = (
    tables => sub {
        local $db->{Warn} = 0;
        $db->do("set client_min_messages = warning");
        $db->do("drop table if exists $table");
        $db->do("create table $table (id int primary key, name text)");
    },
    prepared_statements => sub {
        my $insert = $db->prepare("insert into $table values (?, ?)");
        $insert->execute($_, "item $_") for 0 .. 199;
        my $find = $db->prepare("select name from $table where id = ?");
        same("item $_", $db->selectrow_array($find, undef, $_)) for 0 .. 199;
    },
    short_lived_statements => sub {
        same("item $_", one("select name from $table where id = ?", undef, $_)) for 0 .. 99;
        same(0, one("select count(*) from pg_prepared_statements where name like 'dbdpg%' and statement like '%id = %'"));
    },
    error_in_a_transaction => sub {
        $db->begin_work;
        $db->pg_savepoint('s');
        my $insert = $db->prepare("insert into $table values (?, ?)");
        eval { $insert->execute(1, 'twice') };
        same('23505', $db->state);
        undef $insert;
        $db->pg_rollback_to('s');
        same('item 1', one("select name from $table where id = ?", undef, 1));
        $db->commit;
    },
    rollback_of_a_failed_transaction => sub {
        for my $round (1 .. 3) {
            $db->begin_work;
            my $find = $db->prepare("select 1 / ?::int");
            eval { $find->execute(0) };
            same('22012', $db->state);
            $db->rollback;
            $find->execute(1);
            same(1, $find->fetchrow_array);
        }
    },
    copy => sub {
        $db->do("copy $table from stdin");
        $db->pg_putcopydata("$_\tcopied\n") for 1000 .. 1099;
        $db->pg_putcopyend;
        same(100, one("select count(*) from $table where name = 'copied'"));
    },
    asynchronous => sub {
        $db->do('select pg_sleep(0.2)', { pg_async => PG_ASYNC });
        select undef, undef, undef, 0.05 until $db->pg_ready;
        same(1, $db->pg_result);
        $db->do('select pg_sleep(20)', { pg_async => PG_ASYNC });
        same(1, $db->pg_cancel ? 1 : 0);
        same(1, one('select 1'));
    },
    notifications => sub {
        my $own = open_database();
        $own->do("listen perl_$copy");
        $db->do("notify perl_$copy, 'hello'");
        my $heard;
        for (1 .. 100) {
            last if $heard = $own->pg_notifies;
            select undef, undef, undef, 0.05;
        }
        same('hello', $heard->[2]);
        $own->disconnect;
    },
    settings => sub {
        $db->do("set search_path = pg_catalog, public");
        same('pg_catalog, public', one('show search_path')) for 1 .. 10;
        same("item 3", one("select name from $table where id = ?", undef, 3));
        $db->do('reset search_path');
    },
    ping => sub { same(1, $db->ping ? 1 : 0) for 1 .. 5; },
    two_handles => sub {
        my $other = open_database();
        my @both = map { $_->prepare("select name from $table where id = ?") } $db, $other;
        for my $n (0 .. 49) {
            same("item $n", $both[0]->{Database}->selectrow_array($both[0], undef, $n));
            same("item $n", $both[1]->{Database}->selectrow_array($both[1], undef, $n));
        }
        undef @both;
        $other->disconnect;
    },
    changed_table => sub {
        for my $n (1 .. 3) {
            my $find = $db->prepare("select * from $table where id = ?");
            $find->execute(1) for 1 .. 3;
            $find->finish;
            $db->do("alter table $table add extra_$n int");
            # DBD::Pg does not prepare anew: PostgreSQL's error is what it shows.
            eval { $find->execute(1) };
            same('0A000', $db->state);
        }
    },
);

my $failed = 0;
while (my ($name, $step) = splice @steps, 0, 2) {
    if (eval { $step->(); 1 }) {
        print "ok $name\n";
        next;
    }
    (my $why = $@) =~ s/\n/ /g;
    $failed = 1;
    print "FAILED $name: $why\n";
    $db->rollback unless $db->{AutoCommit};
}
exit $failed;
