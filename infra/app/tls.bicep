// Binds the certificate of domain.bicep to its name. It is a separate file because a template may contain each resource
// only once.
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
