// People must sign in with Entra ID before they see the page or call the API. App Service enforces it in front of the
// app.
param functionApp string

@description('Client ID of the app registration in Entra ID. Empty if there is no sign-in.')
param clientId string

// For callers that cannot sign in: health checks, and Azure's alerts, which send a secret of their own. Each is an
// exact path. With a * at its end it would include everything below:
// https://github.com/MicrosoftDocs/azure-docs/issues/86514
var excludedPaths = ['/api/health/live', '/api/health/ready', '/api/incidents']

resource site 'Microsoft.Web/sites@2025-03-01' existing = {
  name: functionApp
}

resource authentication 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: site
  name: 'authsettingsV2'
  properties: empty(clientId)
    ? { platform: { enabled: false } } // explicit, because a deployment without it would not switch it off
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
              // no secret: the registration trusts the managed identity whose client ID is in this setting
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
            enabled: false // the app does not act on behalf of users
          }
        }
        httpSettings: {
          requireHttps: true
        }
      }
}
