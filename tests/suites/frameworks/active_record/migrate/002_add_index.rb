class AddIndex < ActiveRecord::Migration[6.1]
  disable_ddl_transaction!

  def change
    add_index :books, :tags, using: :gin, algorithm: :concurrently
  end
end
