class IndexCarts < ActiveRecord::Migration[6.1]
  disable_ddl_transaction!

  def change
    add_index :carts, :owner, algorithm: :concurrently
  end
end
