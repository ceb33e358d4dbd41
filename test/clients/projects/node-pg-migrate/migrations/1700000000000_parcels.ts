import type { MigrationBuilder } from 'node-pg-migrate'

export function up(pgm: MigrationBuilder): void {
  pgm.createType('parcel_state', ['packed', 'sent'])
  pgm.createTable('parcels', { id: 'id', state: { type: 'parcel_state', notNull: true } })
  pgm.createIndex('parcels', 'state')
}
