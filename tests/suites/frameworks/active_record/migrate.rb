# migrate.rb [VERSION]: what `rails db:migrate` does.
require_relative 'connect'

ActiveRecord::Migration.verbose = false
directory = File.join(__dir__, 'migrate')
ActiveRecord::MigrationContext.new(directory, ActiveRecord::SchemaMigration).migrate(ARGV[0]&.to_i)
