import { describe, expect, test } from '@jest/globals'
import { placeholderIn } from '../../../src/lib/placeholder.ts'

describe('what stands where a value was to come', () => {
  test.each([
    ['${PGHOST}', 'a variable that nothing replaced'],
    ['${PGHOST:-localhost}', 'a variable that nothing replaced'],
    ['db.${NAMESPACE}.svc', 'a variable that nothing replaced'],
    ['$PGHOST', 'a variable that nothing replaced'],
    ['$(PGHOST)', 'a variable that nothing replaced'],
    ['%PGHOST%', 'a variable that nothing replaced'],
    ['${{ secrets.PGHOST }}', 'an expression of a workflow that nothing evaluated'],
    ['{{ .Values.host }}', 'a template that nothing filled in'],
    ['<%= host %>', 'a template that nothing filled in'],
    ['<<EOT', 'the beginning of a here-document'],
    ["<<-'EOF'", 'the beginning of a here-document'],
    ['ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]', 'a value that sops encrypted'],
    ['$ANSIBLE_VAULT;1.1;AES256', 'a value that ansible-vault encrypted'],
    ['op://vault/item/field', 'a reference to 1Password'],
    ['ref+vault://secret/db#host', 'a reference to another store of secrets'],
    ['vault:secret/data/db#host', 'a reference to another store of secrets'],
    ['<path:secret/data/db#host>', 'a reference to another store of secrets'],
    ['DATA+OMITTED', 'what a tool shows in the place of a value'],
    ['REDACTED', 'what a tool shows in the place of a value'],
    ['***', 'what a tool shows in the place of a value'],
    ['[MASKED]', 'what a tool shows in the place of a value'],
    ['(sensitive value)', 'what a tool shows in the place of a value'],
    ['<your-host>', 'a blank that nobody filled in'],
    ['CHANGE_ME', 'a blank that nobody filled in'],
    ['replaceme', 'a blank that nobody filled in'],
    ['TODO', 'a blank that nobody filled in'],
    ['your-database-host', 'a blank that nobody filled in'],
    [' XXXX\n', 'a blank that nobody filled in'],
  ])('%s', (text, what) => {
    expect(placeholderIn(text)).toEqual({ what, from: expect.stringMatching(/\.$/) })
  })

  test.each([
    '',
    'postgresql1.postgres-system.svc',
    '10.96.14.2',
    'fd00::2',
    'changes',
    'todos.example',
    'a$b',
    'p{a}s%s',
    'your-shop',
    'todo',
    'xxxx',
    'vault.example',
  ])('%p is a value', (text) => {
    expect(placeholderIn(text)).toBeUndefined()
  })
})
