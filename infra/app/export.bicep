// The nightly copy of the feedback. It has its own account, so that it is not lost together with the tables, and
// because the app may write every blob in the account of the Functions host.
import * as types from '../types.bicep'

param location string

@minLength(13)
param token string

param tags types.tags

@description('Name of the identity that the app runs as.')
param appIdentityName string

param retentionDays int
param options types.options

var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'

resource appIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: appIdentityName
}

module hardenedAccount 'account.bicep' = {
  params: {
    name: 'stexp${token}'
    location: location
    tags: tags
    options: options
  }
}

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: 'stexp${token}'
  dependsOn: [
    hardenedAccount
  ]
}

// Erased rows must be gone: no soft delete, no versions.
resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-08-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: {
      enabled: false
    }
    isVersioningEnabled: false
  }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-08-01' = {
  parent: blobs
  name: 'feedback-export'
  properties: {
    publicAccess: 'None'
  }
}

// The app deletes old files. This rule deletes the files of an app that no longer runs.
resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-08-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'retention'
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: {
              blobTypes: ['blockBlob']
              prefixMatch: ['${container.name}/']
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: retentionDays
                }
              }
            }
          }
        }
      ]
    }
  }
}

resource appRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(container.id, appIdentity.id, blobDataContributor)
  scope: container
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
    principalId: appIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

output accountId string = account.id
output containerUrl string = '${account.properties.primaryEndpoints.blob}${container.name}'
