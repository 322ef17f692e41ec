// Who read or wrote what in the key vault and in storage: rows in the workspace, which counts them to its daily cap.
param workspaceId string
param vaultName string

@description('Names of the storage accounts.')
param accounts string[]

@description('The storage account that has tables.')
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

// There is nothing newer: the only version that is no preview is of 2016.
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
