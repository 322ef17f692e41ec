// The blobs of the Functions host (keys, locks, timers), and the tables of the app.
import * as types from '../types.bicep'

param location string

@minLength(13)
param token string

param tags types.tags

@description('Name of the identity that the app runs as.')
param appIdentityName string

param options types.options

var blobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b' // the minimum for the host, which creates its own containers
var tableDataContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
var tableNames = ['feedback', 'incidents']

resource appIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: appIdentityName
}

module hardenedAccount 'account.bicep' = {
  params: {
    name: 'st${token}'
    location: location
    tags: tags
    options: options
  }
}

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: 'st${token}'
  dependsOn: [
    hardenedAccount
  ]
}

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2025-08-01' = {
  parent: account
  name: 'default'
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-08-01' = [
  for name in tableNames: {
    parent: tableService
    name: name
  }
]

resource hostRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, appIdentity.id, blobDataOwner)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataOwner)
    principalId: appIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource tableRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, i) in tableNames: {
    name: guid(account.id, name, appIdentity.id, tableDataContributor)
    scope: tables[i]
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', tableDataContributor)
      principalId: appIdentity.properties.principalId
      principalType: 'ServicePrincipal'
    }
  }
]

output accountName string = account.name
output accountId string = account.id
output blobEndpoint string = account.properties.primaryEndpoints.blob
output tableEndpoint string = account.properties.primaryEndpoints.table
output feedbackTable string = tables[0].name
output incidentsTable string = tables[1].name
