class CreateTables < ActiveRecord::Migration[6.1]
  def change
    create_table :authors do |t|
      t.string :name, null: false, index: { unique: true }
      t.timestamps
    end
    create_table :books do |t|
      t.references :author, foreign_key: true
      t.jsonb :data, default: {}
      t.string :tags, array: true
    end
  end
end
