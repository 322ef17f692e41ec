// The deployed package. It has its own storage account, because write access to it means control of the app.
import * as types from '../types.bicep'

param location string

@minLength(13)
param token string

param tags types.tags

@description('Name of the identity that the platform writes and reads the package with.')
param packageIdentityName string

param options types.options

var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var blobDataReader = '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'

resource packageIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: packageIdentityName
}

module hardenedAccount 'account.bicep' = {
  params: {
    name: 'stpkg${token}'
    location: location
    tags: tags
    options: options
  }
}

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: 'stpkg${token}'
  dependsOn: [
    hardenedAccount
  ]
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-08-01' = {
  parent: account
  name: 'default'
}

resource packages 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-08-01' = {
  parent: blobs
  name: 'app-package'
  properties: {
    publicAccess: 'None'
  }
}

resource packageRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(packages.id, packageIdentity.id, blobDataContributor)
  scope: packages
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
    principalId: packageIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

// The deployment downloads the current package, to roll back to it if the new one fails.
resource deployerRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(packages.id, deployer().objectId, blobDataReader)
  scope: packages
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataReader)
    principalId: deployer().objectId
  }
}

output accountName string = account.name
output accountId string = account.id
output containerUrl string = '${account.properties.primaryEndpoints.blob}${packages.name}'
