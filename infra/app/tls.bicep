// Binds the certificate of domain.bicep to its name. A file of its own: a template has each resource once.
param functionApp string
param hostName string
param thumbprint string

resource site 'Microsoft.Web/sites@2025-03-01' existing = {
  name: functionApp
}

resource binding 'Microsoft.Web/sites/hostNameBindings@2025-03-01' = {
  parent: site
  name: hostName
  properties: {
    hostNameType: 'Verified'
    customHostNameDnsRecordType: 'CName'
    sslState: 'SniEnabled'
    thumbprint: thumbprint
  }
}
