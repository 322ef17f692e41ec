// People sign in with Entra ID before they see the page or call the API. App Service asks them, before the app does.
param functionApp string

@description('Of the app registration in Entra ID; empty where nobody signs in.')
param clientId string

// Who cannot sign in: what waits for the app to be ready, and Azure's alerts, which bring a secret of their own. Each is
// a whole path; with a * at its end it would be all below, too: https://github.com/MicrosoftDocs/azure-docs/issues/86514
var excludedPaths = ['/api/health/live', '/api/health/ready', '/api/incidents']

resource site 'Microsoft.Web/sites@2025-03-01' existing = {
  name: functionApp
}

resource authentication 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: site
  name: 'authsettingsV2'
  properties: empty(clientId)
    ? { platform: { enabled: false } } // said, since a deployment without it would leave it as it was
    : {
        platform: {
          enabled: true
          runtimeVersion: '~1'
        }
        globalValidation: {
          requireAuthentication: true
          unauthenticatedClientAction: 'RedirectToLoginPage'
          redirectToProvider: 'azureactivedirectory'
          excludedPaths: excludedPaths
        }
        identityProviders: {
          azureActiveDirectory: {
            enabled: true
            registration: {
              clientId: clientId
              // No secret: the registration trusts a managed identity, whose client ID is in this setting
              clientSecretSettingName: 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'
              openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
            }
            validation: {
              allowedAudiences: [
                clientId
                'api://${clientId}'
              ]
            }
          }
        }
        login: {
          tokenStore: {
            enabled: false // the app asks for nothing in their name
          }
        }
        httpSettings: {
          requireHttps: true
        }
      }
}
