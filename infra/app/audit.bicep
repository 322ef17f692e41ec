// Logs who reads and writes in key vault and storage. The rows go to the workspace and count towards its daily cap.
param workspaceId string
param vaultName string

@description('Names of the storage accounts.')
param accounts string[]

@description('Name of the storage account with the tables.')
param tableAccount string

var operations = map(
  ['StorageRead', 'StorageWrite', 'StorageDelete'],
  category => { category: category, enabled: true }
)

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: vaultName
}

resource blobServices 'Microsoft.Storage/storageAccounts/blobServices@2025-08-01' existing = [
  for name in accounts: {
    name: '${name}/default'
  }
]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2025-08-01' existing = {
  name: '${tableAccount}/default'
}

// The latest preview. The only version that is not a preview is from 2016.
#disable-next-line use-recent-api-versions
resource vaultAudit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: vault
  name: 'audit'
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'AuditEvent', enabled: true }
    ]
  }
}

#disable-next-line use-recent-api-versions
resource blobAudits 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = [
  for (name, i) in accounts: {
    scope: blobServices[i]
    name: 'audit'
    properties: {
      workspaceId: workspaceId
      logs: operations
    }
  }
]

#disable-next-line use-recent-api-versions
resource tableAudit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: tableService
  name: 'audit'
  properties: {
    workspaceId: workspaceId
    logs: operations
  }
}
