// A random secret. It is created once, and nobody sees it.
param vaultName string
param name string

@secure()
param value string = '${newGuid()}${newGuid()}'

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: vaultName
}

@onlyIfNotExists()
resource secret 'Microsoft.KeyVault/vaults/secrets@2026-02-01' = {
  parent: vault
  name: name
  properties: {
    value: value
  }
}
