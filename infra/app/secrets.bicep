// The keys that nobody needs to see: the one that signs prediction ids, and the one with which alerts call the app.
// docs/operations.md describes how to rotate them.
import * as types from '../types.bicep'

param location string

@minLength(13)
param token string

param tags types.tags

@description('Name of the identity that the app runs as.')
param appIdentityName string

param options types.options

var secretsUser = '4633458b-17de-408a-874c-0445c86b69e6'

resource appIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: appIdentityName
}

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' = {
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
    // for incidents.bicep, where Resource Manager reads a key; networkAcls let it in if the vault is closed to others
    enabledForTemplateDeployment: true
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: options.privateNetwork ? 'Deny' : 'Allow'
    }
    publicNetworkAccess: options.privateNetwork ? 'Disabled' : 'Enabled'
  }
}

// Unused before the first rotation. They exist so that the references of the app settings resolve.
module keys 'secret.bicep' = [
  for name in ['receipt-key', 'receipt-key-previous', 'incident-key', 'incident-key-previous']: {
    params: {
      vaultName: vault.name
      name: name
    }
  }
]

resource readerRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, appIdentity.id, secretsUser)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
    principalId: appIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

output vaultName string = vault.name
output vaultId string = vault.id
output vaultUri string = vault.properties.vaultUri
