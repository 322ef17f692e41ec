// The key that signs prediction ids. It is made here, once, and seen by nobody; docs/operations.md says how to rotate it.
param location string
param token string
param tags object

@description('Of the identity that the app runs as.')
param principalId string

@secure()
param firstKey string = '${newGuid()}${newGuid()}'

@secure()
param firstPreviousKey string = '${newGuid()}${newGuid()}' // signs nothing; there is one so that its reference resolves

var secretsUser = '4633458b-17de-408a-874c-0445c86b69e6'

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: 'kv-${token}'
  location: location
  tags: tags
  properties: {
    tenantId: subscription().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enablePurgeProtection: true
    softDeleteRetentionInDays: 7
  }
}

@onlyIfNotExists()
resource receiptKey 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = {
  parent: vault
  name: 'receipt-key'
  properties: {
    value: firstKey
  }
}

@onlyIfNotExists()
resource previousReceiptKey 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = {
  parent: vault
  name: 'receipt-key-previous'
  properties: {
    value: firstPreviousKey
  }
}

resource readerRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, principalId, secretsUser)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

output vaultName string = vault.name
output vaultUri string = vault.properties.vaultUri
