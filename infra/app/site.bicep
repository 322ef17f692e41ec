// The function app, on Flex Consumption.
param location string
param token string
param tags object
param identityId string
param identityClientId string
param blobEndpoint string
param packageContainer string
param tableEndpoint string
param feedbackTable string
param incidentsTable string
param vaultUri string
param insightsConnection string
param authLevel string
param corsOrigins string
param model string
param receiptDays int
param feedbackRetentionDays int
param instanceMemoryMB int
param httpConcurrency int
param alwaysReadyInstances int
param maximumInstanceCount int
param smtpHost string
param smtpPort int
param smtpUser string
param mailFrom string
param mailTo string

// Without a version: a rotated secret is read within a day, or at once after a restart.
var receiptKey = '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/receipt-key)'
var previousReceiptKey = '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/receipt-key-previous)'
var smtpSecret = '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/smtp-password)'

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-${token}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true // Linux
  }
}

resource site 'Microsoft.Web/sites@2024-04-01' = {
  name: 'func-${token}'
  location: location
  tags: union(tags, { 'azd-service-name': 'api' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${blobEndpoint}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        triggers: {
          http: {
            perInstanceConcurrency: httpConcurrency // Python's default is 1
          }
        }
        alwaysReady: alwaysReadyInstances == 0 ? [] : [{ name: 'http', instanceCount: alwaysReadyInstances }]
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
      cors: {
        allowedOrigins: empty(corsOrigins) ? [] : split(corsOrigins, ',')
      }
      appSettings: [
        // Of the Functions host. It keeps no table: its diagnostic events would need a role on all of them.
        { name: 'AzureWebJobsStorage__blobServiceUri', value: blobEndpoint }
        { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
        { name: 'AzureWebJobsStorage__clientId', value: identityClientId }
        // Of OpenTelemetry
        { name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING', value: 'ClientId=${identityClientId};Authorization=AAD' }
        { name: 'PYTHON_ENABLE_OPENTELEMETRY', value: 'true' }
        { name: 'OTEL_SERVICE_NAME', value: 'buzzguard' }
        { name: 'OTEL_TRACES_SAMPLER', value: 'always_on' } // alerts would undercount
        // Of cloud/settings.py, where what is empty has its default
        { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: insightsConnection }
        { name: 'RECEIPT_KEY', value: receiptKey }
        { name: 'RECEIPT_KEY_PREVIOUS', value: previousReceiptKey }
        { name: 'RECEIPT_DAYS', value: string(receiptDays) }
        { name: 'AUTH_LEVEL', value: authLevel }
        { name: 'MODEL', value: model }
        { name: 'TABLES_ENDPOINT', value: tableEndpoint }
        { name: 'MANAGED_IDENTITY_CLIENT_ID', value: identityClientId }
        { name: 'FEEDBACK_TABLE', value: feedbackTable }
        { name: 'FEEDBACK_RETENTION_DAYS', value: string(feedbackRetentionDays) }
        { name: 'INCIDENTS_TABLE', value: incidentsTable }
        { name: 'SMTP_HOST', value: smtpHost }
        { name: 'SMTP_PORT', value: string(smtpPort) }
        { name: 'SMTP_USER', value: smtpUser }
        { name: 'SMTP_PASSWORD', value: empty(smtpUser) ? '' : smtpSecret }
        { name: 'MAIL_FROM', value: mailFrom }
        { name: 'MAIL_TO', value: mailTo }
      ]
    }
  }
}

// Packages come from holders of a role, never of a password.
resource publishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = [
  for door in ['ftp', 'scm']: {
    parent: site
    name: door
    properties: {
      allow: false
    }
  }
]

output name string = site.name
output url string = 'https://${site.properties.defaultHostName}'
