# What an application does with ActiveRecord.
require_relative 'connect'

COPY = ENV['WEIR_COPY']

class Item < ActiveRecord::Base
  self.table_name = "item_#{COPY}"
end

def check(what)
  raise "not true: #{what}" unless yield
end

STEPS = {
  tables: lambda {
    ActiveRecord::Base.connection.create_table(Item.table_name, force: true) do |t|
      t.string :name, index: { unique: true }
      t.integer :amount, default: 0
    end
    Item.reset_column_information
  },
  create: lambda {
    200.times { |n| Item.create!(name: "item #{n}", amount: n) }
    check('count') { Item.count == 200 }
  },
  transactions_and_savepoints: lambda {
    Item.transaction do
      Item.create!(name: 'outer')
      begin
        Item.transaction(requires_new: true) { Item.create!(name: 'outer') }
      rescue ActiveRecord::RecordNotUnique
      end
      Item.transaction(requires_new: true) do
        Item.create!(name: 'gone')
        raise ActiveRecord::Rollback
      end
    end
    check('outer only') { Item.where(name: %w[outer gone]).pluck(:name) == ['outer'] }
  },
  isolation: lambda {
    Item.transaction(isolation: :serializable) do
      check('level') { Item.connection.select_value('show transaction_isolation') == 'serializable' }
      Item.first.update!(amount: 5)
    end
  },
  batches: -> { check('all seen') { Item.find_each(batch_size: 30).count == 201 } },
  variables: lambda {
    20.times { check('timeout') { Item.connection.select_value('show statement_timeout') == '20s' } }
  },
  locks: lambda {
    Item.first.with_lock { check('exists') { Item.exists? } }
  },
  advisory_lock: lambda {
    check('got') { Item.connection.get_advisory_lock(7_000_000 + COPY.to_i) }
    check('other waits') do
      !Thread.new { Item.connection_pool.with_connection { |c| c.get_advisory_lock(7_000_000 + COPY.to_i) } }.value
    end
    check('released') { Item.connection.release_advisory_lock(7_000_000 + COPY.to_i) }
  },
  statement_of_a_changed_table: lambda {
    # Rails itself deallocates and prepares again when a cached plan must not change its result type.
    3.times do |n|
      Item.where(name: 'outer').to_a
      Item.connection.add_column(Item.table_name, "extra_#{n}", :integer)
      check('found') { Item.where(name: 'outer').to_a.size == 1 }
    end
  },
  many_statements: lambda {
    # More than its cache of statements holds: it deallocates the oldest.
    1100.times { |n| Item.connection.exec_query("select #{n} + $1::int", 'SQL', [bind(1)], prepare: true) }
  },
  clear_cache: lambda {
    Item.connection.clear_cache!
    check('found') { Item.where(name: 'outer').to_a.size == 1 }
  },
  reset: lambda {
    # What its pool does with a connection that it is not sure of: DISCARD ALL, and set up anew.
    Item.connection.execute("set app.copy = 'x'")
    Item.connection.reset!
    check('reset') { Item.connection.select_value("select current_setting('app.copy', true)").to_s == '' }
    check('timeout') { Item.connection.select_value('show statement_timeout') == '20s' }
    check('found') { Item.where(name: 'outer').to_a.size == 1 }
  },
  threads: lambda {
    Array.new(4) do |thread|
      Thread.new do
        Item.connection_pool.with_connection do
          20.times { |n| Item.transaction { Item.create!(name: "thread #{thread} #{n}") } }
        end
      end
    end.each(&:join)
    check('all there') { Item.where("name like 'thread%'").count == 80 }
  },
}.freeze

def bind(value)
  ActiveRecord::Relation::QueryAttribute.new('n', value, ActiveRecord::Type::Integer.new)
end

failed = false
STEPS.each do |name, step|
  step.call
  puts "ok #{name}"
rescue StandardError => e
  failed = true
  warn e.full_message(highlight: false)
  puts "FAILED #{name}: #{e.class} #{e.message.tr("\n", ' ')}"
end
exit(failed ? 1 : 0)
